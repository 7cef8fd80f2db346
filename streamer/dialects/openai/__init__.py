"""OpenAI's Realtime and file transcription protocols."""
