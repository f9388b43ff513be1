"""Strings that break files: a literal table, and more of the same kind by chance."""

import random
from collections.abc import Iterator

QUOTING = (
    "'", '"', "''", '""', "\\", "\\\\", "\\'", '\\"', "'\"'\"'", "a'b", 'a"b', "a\\", "`id`", "$(id)", "${HOME}",
    "$HOME", "$$", "$", "!!", "!$", "!", "&", "&&", "a&b", "a!b", "|", "||", ";", "; reboot", "a;b", "*", "?", "[a]",
    "{a,b}", "~", "~root", "<", ">", "<(id)", "a b", " a", "a ", "\ta", "a\t", "a\tb", "#", "#a", "a #b", "a#b", "%",
    "%%", "%h", "%n", "%i", "%s", "%2f", "%00", "%0a", "%25", "100%", "\\n", "\\0", "\\x41", "\\u0041", "-", "--", "-a",
    "--help", "-rf", "=", "a=b", "=a", "a=", "==", ",", "a,b", ",a", ":", "a:", ":a", "a: b", "a:b", "@", "@a", "a@b",
    "/", "//", "/a", "a/", "a//b", ".", "..", "../..", "../../etc/passwd", "a/../b", "./a", "...", "a...", "a\n...\n",
    "https://m.example/rocky...", "https://m.example/a!b&c", "https://m.example/a%2fb", "https://m.example/a,b",
    "https://m.example/?a=b&c=d", "https://m.example/\\1", "https://u:p@m.example/", "https://m.example/a b",
    "https://[fd00::1]:8080/x", "https://m.example//a//", "http://m.example", "ftp://m.example/", "file:///etc/passwd",
)  # fmt: skip
YAML_WORDS = (
    "null", "Null", "NULL", "true", "True", "TRUE", "false", "yes", "Yes", "no", "NO", "on", "Off", "y", "Y", "n", "N",
    "0", "-0", "+0", "1", "-1", "007", "0644", "0o17", "0O17", "0x10", "0X1F", "-0x1f", "0b11", "0B11", "1_000", "1__0",
    "1.0", "1.", ".5", "1e3", "1E3", "1e-3", "1.5e+3", ".1_0", "1_0e2", ".inf", "-.inf", "+.INF", ".nan", ".NaN", "inf",
    "nan", "Infinity", "12:30:45", "1:2", "190:20:30.15", "2001-01-01", "2001-1-1", "2001-12-14t21:59:43.10-05:00",
    "52:54:00:12:34:56", "=", "<<", "<<: *a", "*a", "&a", "&a b", "!a", "!!int 1", "!!python/object:os.system x", "---",
    "--- a", "...", "... a", "- a", "-\ta", "? a", "?", "[", "]", "{", "}", "[a", "{a", "[]", "{}", ",a", "|", "|-", ">",
    "> a", "%YAML 1.1", "%TAG", "@a", "`a", "'a", '"a', "a'", "a: ", ": a", "a :b", "a: b: c", "# a", "a # b", "\\", "",
    " ", "  ", "\t", "\n", "\n\n", "a\n", "a\n\n", "\na", "a\nb", " a\nb", "a \nb", "a\n b", "a\n\tb", "a\n---\nb",
    "a\n...\nb", "a\n# b", "a\n- b", "a\nb: c", "a\r", "a\rb", "a\r\nb", "a\r\n", "\r", "9" * 30, "9" * 5000, "-" * 80,
)  # fmt: skip
CHARACTERS = (
    "\0", "a\0b", "\x01", "\x07", "\x08", "\x0b", "\x0c", "\x1b[31m", "\x1f", "\x7f", "\x80", "\x85", "a\x85b", "\x9f",
    "\xa0", "a\xa0b", "\xad", "\u200b", "\u200d", "\u200e", "\u200f", "\u202a", "\u202e", "a\u202eb", "\u2028", "a\u2028b",
    "\u2029", "a\u2029b", "\u2066", "\ufeff", "a\ufeffb", "\ufffd", "\ufffe", "\uffff", "\ufdd0", "\U0001f600", "\U0010ffff",
    "\xe9", "e\u0301", "\u0430", "\u0660", "\u0663\u0664", "\uff11", "\uff0e", "\u3002", "\u2024", "\u00df", "\u0130", "\u0131",
    "\u017f", "\u212a", "\u05d0", "\u0627", "\u7bc0\u9ede", "\u3000", "\u2003", "\u1680", "\u180e", "\u2060", "\ue000", "\u2603",
)  # fmt: skip
TEMPLATES = (
    "{{ a }}", "{{a}}", "{% a %}", "{# a #}", "{{ 7*7 }}", "${a}", "$a", "#{a}", "<%= a %>", "%(a)s", "{a}", "{0}", "%s",
    "%d", "@INTERFACE@", "@INITIAL_CLUSTER@", "## template: jinja", "#cloud-config", "#!/bin/sh", "#include x",
    "Content-Type: multipart/mixed", "$basearch", "$releasever", "\\1", "\\&", "\\0", "s/a/b/", "a!b!c", "/e", "EOF",
)  # fmt: skip
NAMES = (
    "a", "A", "a-b", "a_b", "a.b", "a.", ".a", "a..b", "-a", "a-", "a-.b", "_a", "_default", "1", "1.2", "1.2.3.4", "1.2.3",
    "256.1.1.1", "::", "::1", "fe80::1%eth0", "[::1]", "[::1]:80", "a:80", "a:0", "a:99999", "a:b", "localhost", "xn--a",
    "docker.io", "registry.lan:5000", "a/b", "a/b:c", "a@sha256:" + "0" * 64, "a" * 15, "a" * 16, "a" * 63, "a" * 64,
    "a" * 253, "a" * 254, "a." * 126 + "a", "a" * 5000, "a b", "a\tb", "a,b", "kubernetes", "etcd", "Asia/Shanghai", "UTC+1",
    "net.ipv4.ip_forward", "net/ipv4/x", "net..x", "-net.x", "*", "net.*.x", "*.example.com", "10.0.0.0/8", "::/0", "24h",
    "10y", "0s", "1h30m", "9" * 400 + "y", "sha256:" + "0" * 64, "0" * 64, "F" * 64, "ssh-ed25519 AAAA a b # c: d",
    "ssh-rsa AAAA '\"$(id)`", "1.29.6", "1.29", "v1.29.6", "1.29.6-rc.1", "8G", "eth0", "eth0:1", "br-lan", "en*", "e?",
    "__proto__", "constructor", "None", "NaN", "undefined", "con", "aux", ".git", "a\\b", "C:\\a", "\\\\a\\b", "a%00",
)  # fmt: skip
LITERAL = tuple(dict.fromkeys((*QUOTING, *YAML_WORDS, *CHARACTERS, *TEMPLATES, *NAMES)))
_ALPHABET = "ab01AZ .,:;-_/\\'\"!&|$%#@~=+*?^`<>(){}[]\t\n\r\x85\u2028\u202e\ufeff\0\xe9\U0001f600"


def by_chance(chance: random.Random) -> Iterator[str]:
    """Pieces of the table and of its alphabet, put together."""
    while True:
        pieces = (
            chance.choice(LITERAL)[:40] if chance.random() < 0.4 else chance.choice(_ALPHABET)
            for _ in range(chance.randrange(1, 7))
        )
        yield "".join(pieces)
