"""De-identification by DICOM's Basic Application Level Confidentiality Profile (PS3.15, annex E).

profile     one file: what becomes of each attribute     (dates: of those that tell when)
exporting   whole folders, file by file
pulled      studies as a worker pulls them
"""
