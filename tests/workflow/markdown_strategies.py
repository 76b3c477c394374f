"""Markdown texts for property tests: wild ones, and ones made of the pieces that interact."""

from hypothesis import strategies as st

PIECES = [
    "- [ ] a", "* [x] b", "+ [X] c", "1. [ ] d", "2) [x] e", "10. [ ] f", "- - [ ] g", "- a",
    "- [ ]  two",
    "-     [ ] code", "\\- [ ] escaped", "-", "- ", ">", "> ", "  ", "    ", " ", "\t",
    "```", "~~~~", "```py", "`x`", "<!--", "-->", "<div>", "</div>", "<b>", "<pre>", "</pre>", "<?",
    "?>", "text", "# h", "## h2 ##", "===", "---", "***", "",
]  # fmt: skip

line = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)
lines = st.lists(line, max_size=12)
line_end = st.sampled_from(["\n", "\n", "\r\n", "\r"])


@st.composite
def structured_texts(draw: st.DrawFn) -> str:
    return "".join(text + draw(line_end) for text in draw(lines)) + draw(line)


any_texts = st.text() | structured_texts() | st.text(alphabet="-*+>#`~ \t\n\r[]xX1.)<!=ab")
