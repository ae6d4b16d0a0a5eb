# Headers, libraries, the CMake package and the pkg-config file.
