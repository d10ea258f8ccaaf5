"""Upscaling files, folders and pipes."""
