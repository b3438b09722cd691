"""Configuration as code: an organization's rules as one document, the differences to it, and how they are made.

Pure but for `read` and `write`. What a person writes in YAML is read by the command line; here it is JSON.
"""
