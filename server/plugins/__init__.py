"""What the installers of the GIMP and of the Krita plug-in share. Standard library only; knows no editor."""
