"""Small parts that many rooms use. Each thing is here once; what is written by hand elsewhere was overlooked.

``Lanes``: work by key, one task each, tried again · ``Shared``: what several wait for is done once · ``Tasks``: what
runs beside, kept and ended · ``endless``: a loop that nothing ends · ``Turns``: one at a time by name · ``Slots``: few
at once by name · ``Lru``: bounded memory · ``Patience``: how long to wait · ``Breaker``: whether a network is there ·
``Bucket``: so many in a time · ``Alarms``: what the operator must see · ``Changes``, ``moments``, ``failpoint``,
``logs`` and ``markup``: see there · ``http``: short calls on kept connections.
"""
