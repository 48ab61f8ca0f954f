"""The judge: convolutional networks that say which digit an image shows, and how sure they are."""
