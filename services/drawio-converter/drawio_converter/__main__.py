import sys

from clm_common import main
from drawio_converter.convert import DrawIo

sys.exit(main(DrawIo()))
