"""Commands for one machine: serve the functions of template.yaml, operate, demonstrate, build and deploy
them.
"""
