import sys

from clm_common import main
from notebook_processor.convert import Notebook

sys.exit(main(Notebook()))
