"""From the path of a value to the place where it was written."""

from dataclasses import dataclass, field, replace

import yaml

from khgen.problems import Finding, Place, Problem, ValuePath, path_text
from khgen.spec.yaml_reader import Located, YamlReader


@dataclass(slots=True)
class Places:
    """The places of one document's values; the document is read for them on the first question."""

    file: str
    text: str
    _index: dict[ValuePath, Located] = field(default_factory=dict)

    def place(self, path: ValuePath, *, at_key: bool = False) -> Place:
        """Where the value (or its key) was written, or the deepest parent that was."""
        if not self._index:
            self._read()
        known = path
        while known and known not in self._index:
            known = known[:-1]
        found = self._index[known].place(self.file, at_key=at_key or known != path)
        return replace(found, path=path_text(path))

    def problem(self, finding: Finding) -> Problem:
        """The finding, with its place."""
        return Problem(
            message=finding.message,
            place=self.place(finding.path, at_key=finding.at_key),
            hint=finding.hint,
            severity=finding.severity,
        )

    def _read(self) -> None:
        YamlReader(self.file, places=self._index).read(self.text)
        self._index.setdefault((), Located(yaml.StreamStartEvent(), None))
