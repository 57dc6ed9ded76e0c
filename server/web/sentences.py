"""Sentences that services and hosts make, as patterns with `{slots}`, so that they can be shown in other languages.

One that is missing here is shown in English; nothing else depends on this list.
"""

from __future__ import annotations

from server.web.words import N_

SENTENCES = (
    N_("name or password is wrong"),
    N_("too many wrong passwords; try again in {seconds} s"),
    N_("sign in first"),
    N_("your role {role} does not include {permission}; ask an administrator"),
    N_("password: use {count} characters or more"),
    N_("the two new passwords are not the same"),
    N_("there is no node '{id}'"),
    N_("there is no command '{id}'"),
    N_("there is no page at this address"),
    N_("the command has ended already: {state}"),
    N_("the node {name} is {state} and takes no commands"),
    N_("nodes: name 1 to {count} nodes"),
    N_("state: '{state}' is unknown; use one of {states}"),
    N_("range: '{range}' is unknown; use one of {ranges}"),
    N_("uses: between 1 and 10000 hosts"),
    N_("uses: '{text}' is not a whole number"),
    N_("hours: more than 0 and at most {hours}"),
    N_("hours: '{text}' is not a number"),
    N_("tags: write each as name=value, one a line"),
    N_("choose at least one node"),
    N_("script: it is empty; write at least one command"),
    N_("script: a NUL byte cannot be passed to a process; remove it"),
    N_("script: larger than {bytes} bytes; send it as a file"),
    N_("timeout: {seconds} is not between 1 and {most} seconds"),
    N_("timeout: '{text}' is not a whole number of seconds"),
    N_("environment: '{name}' cannot be the name of a variable"),
    N_("environment: write each as NAME=value, one a line"),
    N_("working_folder: '{path}' is not an absolute path"),
    N_("this form was sent from another site, or by a browser that does not say from where; open the page here and send it again"),
    N_("a form is expected here, sent as application/x-www-form-urlencoded"),
    N_("the form cannot be read: not UTF-8, or too many fields"),
    N_("the database did not answer; nothing was changed"),
    N_("the database cannot be written or read now; nothing was changed"),
    N_("every database connection is busy; try again shortly"),
    N_("the manager failed at this; nothing to mend on your side. Request {id} is in its log"),
    N_("canceled before the host had it"),
    N_("the node was retired"),
    N_("the node was retired before it told how this ended"),
    N_("the host is online but told no end within 10 minutes after the timeout"),
    N_("the host has been silent for 7 days after the timeout"),
    N_("the agent could not be reached in time"),
    N_("exit code {code}"),
    N_("ended by signal {signal}"),
)
