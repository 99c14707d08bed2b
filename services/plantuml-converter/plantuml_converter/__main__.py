import sys

from clm_common import main
from plantuml_converter.convert import PlantUml

sys.exit(main(PlantUml()))
