"""Retrieval over the web: which forms there are, which `Accept` opens them, and in which transfer syntaxes."""

from collections.abc import Iterator
from typing import Any

from nodes.probe.browser import Answer, Browser
from nodes.probe.capabilities import Wado
from nodes.probe.line import Line
from nodes.probe.qido import Sample, kind_of_address, path_of
from nodes.probe.syntaxes import EXPLICIT, IMPLICIT, NAMES, of_file

_TYPED = 'multipart/related; type="application/dicom"'
_AS_STORED = f"{_TYPED}; transfer-syntax=*"
_FORMS = (
    _AS_STORED,
    f"{_TYPED}; transfer-syntax={EXPLICIT}",
    _TYPED,
    "multipart/related; type=application/dicom",
    "multipart/related",
    "application/dicom",
    "*/*",
)
_OCTETS = "application/octet-stream"
_HEADS = 1 << 20  # bytes of an answer that is known by how its file begins
_A_GLANCE = 1  # bytes of an answer of which only the status matters


def ask(browser: Browser, line: Line, sample: Sample) -> Wado:
    """Everything about retrieval, tried with one instance."""
    taken = {form: browser.get(sample.path, form, _HEADS) for form in _FORMS}
    usual = [form for form, answer in taken.items() if _is_dicom(answer)]
    given = next((answer for form in usual if (answer := taken[form])), None)
    stored = taken[_AS_STORED]
    study, series = f"/studies/{sample.study}", f"/studies/{sample.study}/series/{sample.series}"
    best = usual[0] if usual else _AS_STORED
    return Wado(
        study=browser.verdict(browser.get(study, best, _A_GLANCE), "WADO-RS study"),
        series=browser.verdict(browser.get(series, best, _A_GLANCE), "WADO-RS series"),
        instance=True if usual else browser.verdict(taken[_AS_STORED], "WADO-RS instance"),
        parts=None if given is None else "multipart" if given.kind.startswith("multipart/") else "single part",
        accepts=tuple(usual) if usual or any(one and not one.says_neither for one in taken.values()) else None,
        stored=of_file(stored.body) if stored is not None and _is_dicom(stored) else None,
        syntaxes=_syntaxes(browser, sample) if usual else None,
        rendered=browser.verdict(browser.get(f"{sample.path}/rendered", "image/jpeg"), "WADO-RS rendered"),
        **_frames(browser, sample),
        **_metadata(browser, line, sample),
    )


def _is_dicom(answer: Answer | None) -> bool:
    return answer is not None and answer.status == 200 and of_file(answer.body) is not None


def _syntaxes(browser: Browser, sample: Sample) -> tuple[str, ...] | None:
    """Those in which the instance really comes when they are asked for. DICOMweb knows no implicit one."""
    asked = [uid for uid in NAMES if uid != IMPLICIT]
    answers = {uid: browser.get(sample.path, f"{_TYPED}; transfer-syntax={uid}", _HEADS) for uid in asked}
    if not any(answers.values()):
        return None
    return tuple(uid for uid, answer in answers.items() if answer and _is_dicom(answer) and of_file(answer.body) == uid)


def _frames(browser: Browser, sample: Sample) -> dict[str, Any]:
    many = browser.get(f"{sample.path}/frames/1", f'multipart/related; type="{_OCTETS}"')
    single = browser.get(f"{sample.path}/frames/1", _OCTETS)
    alone = browser.verdict(single, "WADO-RS frame as one part")
    return {
        "frames": browser.verdict(many, "WADO-RS frames"),
        "frames_single_part": None if single is None else alone and single.kind == _OCTETS,
    }


def _metadata(browser: Browser, line: Line, sample: Sample) -> dict[str, Any]:
    answer = browser.get(f"{sample.path}/metadata")
    there = browser.verdict(answer, "WADO-RS metadata")
    rows = answer.rows() if answer is not None and there else None
    if rows is None:
        if there:
            line.note("WADO-RS metadata: 200 with no list of data sets")
        return {"metadata": there and False}
    address = next(_bulk(rows), None)
    if address is None:
        return {"metadata": there, "bulkdata_url": "none"}
    path = path_of(address)
    bulk = browser.get(path if path.startswith("/") else f"{sample.path}/{path}", "*/*")
    return {
        "metadata": there,
        "bulkdata_url": kind_of_address(address),
        "bulkdata": browser.verdict(bulk, "WADO-RS bulk data"),
    }


def _bulk(part: Any) -> Iterator[str]:
    if isinstance(part, dict) and isinstance(part.get("BulkDataURI"), str):
        yield part["BulkDataURI"]
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _bulk(below)
