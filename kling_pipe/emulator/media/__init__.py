"""The pictures and clips of the emulator: what a card shows, where it stands, how it becomes PNG and MP4."""
