"""The Kubernetes minors that khgen knows; the facts table in khgen.plan has a row for each."""

SUPPORTED_MINORS = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
