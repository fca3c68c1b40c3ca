"""The face: the command line and the reports. It composes the packages below it and does no work itself."""
