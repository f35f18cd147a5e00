"""A made-up national directory of any size in the format of the public files: real shapes and dirt, nobody real."""
