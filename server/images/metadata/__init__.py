"""What files say beside their pixels: EXIF, XMP, IPTC, colour profiles. Bytes in, bytes out; knows no pixels."""
