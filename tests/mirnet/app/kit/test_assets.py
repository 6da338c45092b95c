"""Scripts, style sheets and templates are files, found and filled."""

import re

import pytest
from jinja2 import UndefinedError

from mirnet.app.kit.assets import ASSETS, Templates, page_head, script, style_sheets


def test_a_script_takes_constants_as_json(tmp_path):
    file = tmp_path / "say.js"
    file.write_text("/* Says it. */\n() => alert(__WORDS__, __TIMES__);\n")
    made = script(file, words='a "quote"', times=2)
    assert made.endswith('() => alert("a \\"quote\\"", 2)')
    with pytest.raises(KeyError, match="__OTHER__"):
        script(file, other=1)


def test_a_template_escapes_and_wants_every_value(tmp_path):
    (tmp_path / "one.html.j2").write_text("<p>{{ words }}</p>\n")
    templates = Templates(tmp_path)
    assert templates.render("one", words="<b>") == "<p>&lt;b&gt;</p>"
    with pytest.raises(UndefinedError):
        templates.render("one")


def test_every_style_sheet_and_script_is_used():
    named = {path.name for path in style_sheets()} | {"head.css"}
    assert named == {path.name for path in ASSETS.glob("*.css")}
    head = page_head()
    code = "".join(p.read_text(encoding="utf-8") for p in ASSETS.parent.rglob("*.py"))
    for path in ASSETS.glob("*.js"):
        assert path.read_text(encoding="utf-8") in head or f'"{path.name}"' in code, path.name


def test_every_class_that_a_template_names_has_a_style():
    styles = "".join(path.read_text(encoding="utf-8") for path in style_sheets())
    folder = ASSETS.parent / "kit" / "templates"
    for path in folder.glob("*.j2"):
        for name in re.findall(r"\bmir-[a-z][a-z-]*[a-z]\b", path.read_text(encoding="utf-8")):
            assert f".{name}" in styles, f"{path.name}: {name}"
