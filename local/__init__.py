"""The service on one machine: the functions of template.yaml behind one address, with a local table."""
