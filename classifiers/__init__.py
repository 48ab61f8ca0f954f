"""The judge: convolutional networks that classify digits, with calibrated confidence."""
