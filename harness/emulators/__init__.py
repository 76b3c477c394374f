"""The official Emulator Suite: started, found, talked to, and ended.

Import from the modules: `suite` starts one, `hub` finds one that runs, `tokens`, `auth`,
`functions` and `storage` talk to it, `exec` runs a command beside it.
"""
