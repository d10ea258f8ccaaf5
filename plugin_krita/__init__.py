"""The Krita 5 plug-in and its installer."""
