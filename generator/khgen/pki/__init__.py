"""The PKI: the catalogue of certificates and kubeconfigs, their issuing, and the secrets."""
