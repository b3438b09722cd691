"""Who acts: organizations, teams, members, the virtual keys and admin tokens they hold, and what they did.

Owns the tables `organizations`, `teams`, `members`, `admin_tokens`, `virtual_keys` and `audit_events`. No secret
of a key or token is ever stored or read back here, only its HMAC under the deployment's pepper.
"""
