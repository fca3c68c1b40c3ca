"""De-identification by DICOM's Basic Application Level Confidentiality Profile (PS3.15, annex E).

profile     one file: what becomes of each attribute     (dates: of when; texts: of what people type)
exporting   whole folders, file by file                  (pixels: what no table helps against)
pulled      studies as a worker pulls them
"""
