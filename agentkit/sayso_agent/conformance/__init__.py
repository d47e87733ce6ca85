"""The conformance kit: shows from the outside whether a capture agent, or a portal, fails closed.

`sayso-agent conformance COMMAND` starts any agent against a portal that misbehaves and judges what
arrives; `sayso-agent conformance URL` looks at a portal as an agent sees it.
"""
