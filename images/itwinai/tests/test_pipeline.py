import io
import unittest
from contextlib import redirect_stdout

from itwinai.frameworks import FITS, installed
from itwinai.pipeline import Mistake, run

LINE = {"slope": 3, "intercept": -1, "count": 50, "noise": 0.01, "seed": 7}


class Pipelines(unittest.TestCase):
    def test_a_line_is_found_again(self):
        with redirect_stdout(io.StringIO()) as said:
            values = run([{"generate": LINE}, {"fit": {"steps": 800, "rate": 0.5}}, {"report": None}])
        self.assertAlmostEqual(values["slope"], 3, delta=0.05)
        self.assertAlmostEqual(values["intercept"], -1, delta=0.05)
        self.assertIn("slope 3.0", said.getvalue())

    def test_the_framework_agrees_with_plain_python(self):
        values = run([{"generate": LINE}])
        fits = [FITS[name](values["x"], values["y"], 300, 0.5) for name in (installed(), "python")]
        for a, b in zip(*fits, strict=True):
            self.assertAlmostEqual(a, b, places=3)

    def test_mistakes_name_the_step(self):
        for steps, said in [
            ("no list", "a list of steps"),
            ([{"a": {}, "b": {}}], "step 1: write one name"),
            ([{"train": {}}], "step 1: there is no 'train'"),
            ([{"generate": {"slop": 3}}], "step 1, generate"),
            ([{"fit": {"steps": 1, "rate": 1}}], "nothing before it gives 'x'"),
        ]:
            with self.assertRaises(Mistake) as wrong:
                run(steps)
            self.assertIn(said, str(wrong.exception))


if __name__ == "__main__":
    unittest.main()
