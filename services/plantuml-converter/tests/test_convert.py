from __future__ import annotations

import unittest
from pathlib import Path

from clm_common import Failure, InputError, Job
from clm_common.process import Deadline
from plantuml_converter.convert import Diagram, diagrams, refusal


def job(text: str) -> Job:
    folder = Path()
    return Job(text.encode(), "svg", {}, "a.puml", folder, folder, Deadline(1), "mark")


class Diagrams(unittest.TestCase):
    def test_each_with_its_line(self) -> None:
        text = "' first\n@startuml\nA -> B\n@enduml\n\n  @startjson\n{}\n  @endjson\n"
        self.assertEqual(
            diagrams(job(text)),
            [Diagram("@startuml\nA -> B\n@enduml\n", 2), Diagram("  @startjson\n{}\n  @endjson\n", 6)],
        )

    def test_what_is_wrong(self) -> None:
        for text, message in [
            ("A -> B\n", "a.puml: no diagram in it"),
            ("\n@startuml\nA -> B\n", "a.puml:2: @startuml has no @end"),
        ]:
            with self.subTest(message), self.assertRaisesRegex(InputError, message):
                diagrams(job(text))

    def test_a_report_names_the_inputs_own_line(self) -> None:
        diagram = Diagram("@startuml\nA -> B\nnonsense\n@enduml\n", 11)
        report = "protocolVersion=1\nstatus=ERROR\nlineNumber=2\nlabel=Syntax Error?\n"
        self.assertEqual(str(refusal("a.puml", diagram, report)), "a.puml:13: Syntax Error?\n    nonsense")
        self.assertIs(type(refusal("a.puml", diagram, "java: no memory")), Failure)


if __name__ == "__main__":
    unittest.main()
