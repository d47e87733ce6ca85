"""What every notice must say: the union of what the laws of all our places ask for. Pure.

Sources: GDPR Art. 13; 11 CCR 7012; NSW Workplace Surveillance Act 2005 s.10(4); ACT s.13;
Connecticut PA 26-73; Ontario ESA Part XI.1; ISO/IEC 29184 clause 5.3.
"""

from typing import Final

REQUIRED_SECTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("summary", "In short"),
    ("controller", "Who is responsible, and whom to ask"),
    ("purpose", "What it is for"),
    ("legal_basis", "The legal basis"),
    ("signals", "What can be recorded, with an example of each"),
    ("apps", "In which apps"),
    ("never", "What is never recorded"),
    ("method", "How it is recorded, and on which machine"),
    ("when", "When it starts, and whether it goes on all the time"),
    ("recipients", "Who receives it, and in which countries"),
    ("retention", "How long it is kept"),
    ("rights", "Your rights, and how to use them"),
    ("withdrawal", "How to stop"),
    ("consequences", "What happens if you say no"),
    ("automated_decisions", "Automated decisions"),
    ("complaint", "Where to complain"),
    ("dates", "When this notice was prepared and changed"),
)


def missing_sections(sections: dict[str, str]) -> list[str]:
    """Return the required sections that are absent or empty; such a text is not published."""
    return [code for code, _ in REQUIRED_SECTIONS if not sections.get(code, "").strip()]
