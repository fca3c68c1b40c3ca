"""DIMSE as a worker speaks it: an association over one blocking socket (PS3.7, PS3.8).

A client of our own: what instances are made of goes from the socket to the store, and at most
one PDU of it is in memory. See decision 0016 for what pynetdicom took for the same.
"""
