"""The console: pages for people, each made of what the admin API answers them.

Every page is whole without a script; scripts add what only they can do. What somebody sees and can do is decided by the
same routes of the admin API, called in this process on their behalf, never by a page.
"""
