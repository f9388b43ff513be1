"""Facts: what khgen knows about Kubernetes' minors and about distributions, as literal tables."""
