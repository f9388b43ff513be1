"""Packer's machine-readable lines, as Packer 1.6.6 wrote them."""

from khgen.bake.packer import PackerLine, packer_line

SAID = "1795323602,,ui,message,    null.x: a%!(PACKER_COMMA) b"
FAILED = "1795323605,null.x,error,Script exited with status: 3.Allowed exit codes are: [0]"
ARTIFACT = "1795323603,amazon-ebs.node,artifact,0,id,eu-central-1:ami-0123"
LONG = r"1795323606,,ui,error,Error: no such file\n\nA folder can be\nreferenced.\n\n"


def parsed(text: str) -> PackerLine:
    line = packer_line(text)
    assert line is not None
    return line


def test_messages_for_a_person() -> None:
    assert parsed(SAID).shown == "    null.x: a, b"
    assert parsed(SAID).data[0] == "message"
    assert parsed(LONG).shown == "Error: no such file\n\nA folder can be\nreferenced.\n\n"


def test_lines_for_programs() -> None:
    line = parsed(FAILED)
    assert (line.time, line.target, line.kind) == (1795323605, "null.x", "error")
    assert line.shown is None
    assert parsed(ARTIFACT).artifact == ("id", ("eu-central-1:ami-0123",))
    assert parsed("1795323603,null.x,artifact,0,end").artifact is None
    assert parsed("1795323605,,error-count,1").artifact is None


def test_anything_else_is_no_such_line() -> None:
    for text in ("", "panic: runtime error", "goroutine 1 [running]:", "a,b,c,d", "17,x"):
        assert packer_line(text) is None
