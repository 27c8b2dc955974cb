#!/bin/bash
set -e

cd "$(dirname "$0")/.."

docker build -f AIEnergyScore/Dockerfile -t energy_star .
