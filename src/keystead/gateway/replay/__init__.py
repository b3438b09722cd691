"""Deciding again about requests that were made, by other rules. Pure: no clock, no disk, no network.

The same functions decide as decided then: `plan_for` which credentials may serve, `Pace` how fast, `Means` what is held,
`Room` whether there is room for it. Time is the record's: what a request held is let go, and what it cost is spent, when
it ended.

| module     | does                                                                    |
|------------|-------------------------------------------------------------------------|
| `side`     | one set of rules: what it plans for a request                           |
| `pairs`    | two sets of rules on one request, also where tags are not known         |
| `books`    | what is spent, held and under way under one set of rules, as time passes |
| `course`   | which attempts are made of a plan, and what they cost                   |
| `simulate` | what differs, added up                                                  |
"""
