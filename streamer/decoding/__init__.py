"""From encoded sound to words. Imports `transcript`, `runtime`, `audio`, `models`."""
