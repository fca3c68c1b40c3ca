"""How near the emulated network is to what the topology asks: measured, judged, and said.

asked      what a link asks, the whole path between a site and the hub            (pure)
check      before a run: every link by ping and iperf3                            (pings, rates)
rounds     in a run: what was read in one round, judged                           (echo, load, queues)
chance     what chance explains                                                   (pure)
"""
