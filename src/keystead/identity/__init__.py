"""Who acts: organizations, teams, members, service accounts, their roles, keys and tokens, and what they did.

Owns the tables `organizations`, `teams`, `team_cost_centers`, `virtual_key_tags`, `members`, `service_accounts`, `roles`,
`role_assignments`, `admin_tokens`, `virtual_keys` and `audit_events`. No secret of a key or token is ever stored or
read back here, only its HMAC under the deployment's pepper.

`authority` decides who may give what to whom. Every method that changes something takes the actor and asks it, so
that no caller can forget to.
"""
