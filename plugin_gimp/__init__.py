"""The GIMP 3 plug-in and its installer."""
