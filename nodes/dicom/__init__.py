"""Studies as DICOM files: MR and PET image IODs, single-frame and Enhanced multi-frame, and the labels in them."""
