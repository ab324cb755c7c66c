mod database;
mod disk;
mod images;
mod rating;
mod retention;
mod shared;
