"""What is counted and timed, for Prometheus. Every name is explained in ``docs/metrics.md``.

Nothing counts by number, id, reference, address or code: whoever reads metrics learns of no person,
and no stranger can make a new series. Labels are words of ours, or names from the settings.

Instruments are made with the application or the dialer, in a registry of its own, and handed to
the parts that use them. So two applications in one process do not count each other's requests, and
an import counts nothing. A part that is given none counts for nobody.
"""
