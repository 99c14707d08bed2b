"""FASTA for Chai-1: `>kind|name=NAME` and a sequence. Checked before the model loads."""

KINDS = ("protein", "dna", "rna", "ligand", "glycan")
RESIDUES = {
    "protein": set("ACDEFGHIKLMNPQRSTVWYX"),
    "dna": set("ACGT"),
    "rna": set("ACGU"),
}


class Wrong(ValueError):
    """What is wrong with a text, with its line."""


def check(text: str) -> int:
    """How many sequences `text` has."""
    count, kind, has_sequence = 0, None, True
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line:
            continue
        if line.startswith(">"):
            if not has_sequence:
                raise Wrong(f"line {number}: the entry before has no sequence")
            kind, bar, name = line[1:].partition("|")
            if kind not in KINDS or not bar or not name.removeprefix("name="):
                raise Wrong(f"line {number}: write >KIND|name=NAME; KIND is one of {', '.join(KINDS)}")
            count, has_sequence = count + 1, False
            continue
        if kind is None:
            raise Wrong(f"line {number}: a sequence before the first >KIND|name=NAME")
        strange = set(line) - RESIDUES.get(kind, set(line))
        if strange:
            raise Wrong(f"line {number}: {''.join(sorted(strange))!r} is in no {kind} sequence")
        has_sequence = True
    if not count or not has_sequence:
        raise Wrong("there is no sequence" if not count else "the last entry has no sequence")
    return count
