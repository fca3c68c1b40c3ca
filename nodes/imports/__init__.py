"""Real images into cohorts: DICOM folders and zips, NIfTI, BIDS, ADNI's layout, idx files.

importing   one import, from a folder to a cohort; imported only where that is done: pydicom takes 0.5 s
sources     what lies there, file by file          (archives: zips)
dicom       whose a DICOM file is, and whether it is whole
nifti, idx  other images, as DICOM                  (converted: what such files share)
tables      diagnoses from CSV and TSV
store       the cohort on disk and its index
choosing    which of its studies a site has
"""

from nodes.imports.store import Imported, cohorts_folder, imported, listed

__all__ = ["Imported", "cohorts_folder", "imported", "listed"]
