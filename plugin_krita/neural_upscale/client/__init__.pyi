# For type checkers only. The installer copies server/client/ to this place; the repository holds it once.
from server.client import *
