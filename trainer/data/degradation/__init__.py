"""The low-resolution side of a pair: by Pillow, or the same on the device."""
