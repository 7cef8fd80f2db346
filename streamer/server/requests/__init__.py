"""Small questions over HTTP beside a session, for those who may speak."""
