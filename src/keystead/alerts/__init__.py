"""What somebody should look at: alerts, which open when their cause is there and resolve by themselves when it is gone.

One row for each organization, kind and subject that is open. They are told from the record and the counters by one
process at a time, and never on a request's way (see `gateway.watch`).
"""
