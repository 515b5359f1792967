"""The process: time, its end, its log, its interpreter."""
